/** Without fonts of its own: the system's are there at once, and weigh nothing. */
import Theme from 'vitepress/theme-without-fonts'
import './style.css'

export default Theme
